//! The actors of the scenarios: a modality that sends, the node itself, a PACS that receives, a phantom, and validators that judge.

pub mod archives;
pub mod audit;
pub mod balls;
pub mod certificates;
pub mod difficult_pacs;
pub mod dns;
pub mod instance;
pub mod load;
pub mod modality;
pub mod need;
pub mod node;
pub mod orthanc;
pub mod pacs;
pub mod phantom;
pub mod ports;
pub mod rules;
pub mod template;
pub mod validators;
pub mod wire;
